"""What a model learns from: the columns of the contract that hold numbers and categories.

Numbers are taken as they are, categories as their places in the contract; nothing is learnt from data here, so that
training and serving cannot differ.
"""

from mlkeel.features.encoder import TABLES

FEATURES = TABLES
