"""What a person may do, room by room; `core.service` puts the rooms together."""
