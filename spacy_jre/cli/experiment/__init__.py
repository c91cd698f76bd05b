"""`spacy jre experiment`: models, datasets, folds, seeds and settings in one file."""
