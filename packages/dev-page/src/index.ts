export { Card, Field, Notice, useWorkWith } from './components.tsx';
export { Link, navigate, replaceAddress, useAddress } from './router.tsx';
