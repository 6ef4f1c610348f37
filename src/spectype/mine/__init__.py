"""The rare stars among millions: ranked at their real frequency, checked, shown."""
