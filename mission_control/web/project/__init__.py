"""The pages of projects: plan, timeline, files, forms."""
