"""The pages of projects: the plan, its picture, the timeline, files and forms."""
