"""LDAP: users and groups of a directory (`catalog.providers.ldapOrg`)."""
