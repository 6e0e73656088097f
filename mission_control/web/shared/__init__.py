"""What several pages need: access checks, fields, text and Markdown as HTML, edit conflicts."""
