"""Integrations with other libraries; each module requires its library and is imported on use."""
