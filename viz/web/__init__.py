"""The console: a page in a browser, a client of published sockets."""
