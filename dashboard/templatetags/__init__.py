"""What templates can do: pieces of a page, figures in words, a form's fields."""
