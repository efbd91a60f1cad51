"""The words that every other room speaks; numpy and the standard library only."""
