"""Answer requests over HTTP."""
