"""Views: an address and a form in, a page or a command out. They decide nothing."""
