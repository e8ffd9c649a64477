"""The second factors of a sign-in: what each is and how it is checked, without a database."""
