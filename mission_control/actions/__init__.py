"""Functions that change state on behalf of someone. REST, pages, admin, commands and jobs call these."""
