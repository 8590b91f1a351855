/** How a question ended: the label `result` of `rescind_introspections_total`. */
export type IntrospectionResult =
  | 'active'
  | 'inactive'
  | 'bound'
  | 'unreachable'
  | 'timeout'
  | 'refused'
  | 'status_wrong'
  | 'unusable'
  | 'busy'
  | 'open'
  | 'stopping';

/** Why a question brought no answer. Its message quotes nothing of the token or the credential. */
export class IntrospectionFailure extends Error {
  override readonly name = 'IntrospectionFailure';
  readonly result: IntrospectionResult;

  constructor(result: IntrospectionResult, detail: string) {
    super(detail);
    this.result = result;
  }
}
