"""The weekly digest: an email to members of the team on the week before."""
