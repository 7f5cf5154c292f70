"""Report on the data and the model: tables for the terminal, a summary in Markdown, and a page in HTML."""
