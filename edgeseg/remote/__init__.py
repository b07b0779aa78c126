"""Work on a device by the OpenSSH client: copy, build, verify and profile there, and report here."""
