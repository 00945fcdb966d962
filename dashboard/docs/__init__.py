"""The guides: Markdown to pages, the menu, and search in them."""
