import fc from 'fast-check';

// Every mutant meets the same examples: a score that differs from run to run says nothing. Hundreds of mutants meet them, so
// no property is looked at for longer than this.
fc.configureGlobal({ seed: 20_261_123, interruptAfterTimeLimit: 3_000 });
