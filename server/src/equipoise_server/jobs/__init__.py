"""Jobs: due work as people see it. What is done, what failed and why, and who may stop it."""
