"""What any row must satisfy: two Great Expectations suites, read, checked, and asked of single rows."""
