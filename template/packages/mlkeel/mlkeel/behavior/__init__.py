"""How a model must behave, as data: cases, and what can be changed in a row."""
