/** Version 2: states, roles, second factors and known devices of accounts. */
export const accounts = '';
