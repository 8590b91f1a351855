/** Version 3: what administrators did. */
export const administration = '';
