"""The operators' admin: the site, base classes of pages, roles, sign-in, dashboard and exports."""
