/** Version 3: keys that are published before they sign. */
export const keyRotation = '';
