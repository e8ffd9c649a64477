"""Virtual machines: models, services, selectors, pages, API."""
