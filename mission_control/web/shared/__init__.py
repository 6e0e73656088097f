"""Code that several pages use: access checks, form fields, text and Markdown as HTML, edit conflicts."""
