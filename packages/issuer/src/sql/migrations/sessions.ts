/** Version 2: clients with policies, and what a session knows of its device. */
export const sessions = '';
