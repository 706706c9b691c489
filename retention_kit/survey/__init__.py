"""A form of one's own that asks customers: invitations, the form and its server, the answers as a `responses` table."""
