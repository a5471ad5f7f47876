"""The product manager's door: pages, forms, templates and charts."""
