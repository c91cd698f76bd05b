__title__ = "spacy-jre"
__version__ = "0.1.0"
