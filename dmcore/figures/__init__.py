"""The figures of the book, a module for each chapter. They draw what the model computes."""
