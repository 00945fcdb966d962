"""The management API of a project itself, its members and its invitations."""
