"""The metric catalogue: versioned aggregations over facts."""
