import { Ajv2020 } from 'ajv/dist/2020.js';

interface Described {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/**
 * Compares responses with an OpenAPI document.
 * @returns the function that throws for a response that the document does not declare
 */
export function createResponseCheck(document: Described) {
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true }).addSchema(document, 'document');
  const templates = Object.keys(document.paths).map((template) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
    parameters: template.split('{').length,
  }));
  templates.sort((a, b) => a.parameters - b.parameters);

  return (method: string, path: string, status: number, body: unknown): void => {
    const { template } = templates.find(({ pattern }) => pattern.test(path.split('?')[0] ?? '')) ?? {};
    const operation = template === undefined ? undefined : document.paths[template]?.[method.toLowerCase()];
    if (template === undefined || operation === undefined || status === 204) return;
    const pointer = ['paths', template, method.toLowerCase(), 'responses', String(status)].map(escaped).join('/');
    const validate = ajv.getSchema(`document#/${pointer}/content/application~1json/schema`);
    if (validate === undefined) throw new Error(`${method} ${path}: ${status} is not declared`);
    if (validate(body) !== true) throw new Error(`${method} ${path}: ${status} ${ajv.errorsText(validate.errors)}`);
  };
}

/** RFC 6901 section 3, in a fragment. */
const escaped = (name: string) =>
  encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1')).replaceAll('%7E', '~');
