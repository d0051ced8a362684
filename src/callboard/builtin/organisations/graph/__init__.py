"""Microsoft Graph: users and groups of a tenant of Entra ID (`catalog.providers.microsoftGraphOrg`)."""
