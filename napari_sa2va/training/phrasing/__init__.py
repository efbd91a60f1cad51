"""How things are said: a lexicon, sentences and a grammar for each language."""
