import fc from 'fast-check';

// Every mutant meets the same examples: a score that differs from run to run says nothing.
fc.configureGlobal({ seed: 20_261_123 });
