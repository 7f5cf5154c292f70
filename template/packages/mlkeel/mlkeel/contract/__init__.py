"""The contract of the data: two Great Expectations suites, checked against tables and against single rows."""
