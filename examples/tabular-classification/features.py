"""What a model learns from: the columns of the contract that hold numbers and categories.

Numbers are taken as they are, categories as their places in the contract; nothing is learnt from data here, so that
training and serving cannot differ. To add a derived column, write it under `@derived` and name it in
`TABLES.derive(...)`, as docs/models.md shows.
"""

from mlkeel.features.encoder import TABLES

FEATURES = TABLES
