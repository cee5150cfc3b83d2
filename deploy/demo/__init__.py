"""The demonstration: what the platform does, played through HTTP and told with the evidence."""
