"""A relay: the SDKs' door over what an upstream server says, without a database."""
