"""Where facts come from besides the event stream: connections, and tables or queries over them."""
