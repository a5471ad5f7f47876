"""Sources of the golden vectors: expectations written by hand, hashes by an own murmur3."""
