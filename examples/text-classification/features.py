"""What a model learns from: the columns of the contract that hold texts, as tokens.

A token is a word, a pair of words, or three signs of a word; nothing is learnt from data here, so that training and
serving cannot differ. Columns are derived (docs/models.md) in projects of tables only.
"""

from mlkeel.features.encoder import TEXTS

FEATURES = TEXTS
