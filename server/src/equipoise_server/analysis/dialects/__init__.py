"""One typed plan as SQL of several engines: instants are microseconds since 1970, so arithmetic is plain."""
