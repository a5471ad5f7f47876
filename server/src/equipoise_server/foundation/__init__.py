"""What every room stands on: settings, ids, revisions, due work, refusals."""
