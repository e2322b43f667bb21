// What the page needs of /openapi.json: a list of routes with their parameters and samples. Knows no page and no network.

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  description?: string;
}

export interface FormField {
  name: string;
  /** Whether a file is chosen for it. */
  file: boolean;
}

export interface Route {
  /** `POST /v1/messages`; unique. */
  id: string;
  method: string;
  /** As OpenAPI writes it: `/v1/models/{id}`. */
  path: string;
  tag: string;
  summary: string;
  description: string;
  parameters: Parameter[];
  /** Text of a JSON body to begin with; undefined where there is none. */
  sample: string | undefined;
  /** Fields of a form, in place of a JSON body. */
  form: FormField[];
  /** Whether a key is asked for. */
  needsKey: boolean;
  /** What an answer holds, in a sentence. */
  answer: string;
}

interface Operation {
  summary: string;
  description?: string;
  tags: string[];
  security: object[];
  parameters: Parameter[];
  requestBody?: {
    content: Record<string, { example?: object; schema: { properties?: Record<string, { format?: string }> } }>;
  };
  responses: Record<string, { description: string }>;
}

export interface OpenApi {
  info: { version: string };
  tags: { name: string }[];
  paths: Record<string, Record<string, Operation>>;
}

/** Every route of the document, those of one tag together, in the document's order. */
export function routesOf(document: OpenApi): Route[] {
  const routes = Object.entries(document.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => routeOf(path, method.toUpperCase(), operation)),
  );
  const tags = document.tags.map(({ name }) => name);
  return tags.flatMap((tag) => routes.filter((route) => route.tag === tag));
}

function routeOf(path: string, method: string, operation: Operation): Route {
  const json = operation.requestBody?.content['application/json'];
  const form = operation.requestBody?.content['multipart/form-data']?.schema.properties ?? {};
  const [[, answered] = []] = Object.entries(operation.responses).filter(([status]) => status !== 'default');
  return {
    id: `${method} ${path}`,
    method,
    path,
    tag: operation.tags[0] ?? '',
    summary: operation.summary,
    description: operation.description ?? '',
    parameters: operation.parameters,
    sample: json ? JSON.stringify(json.example ?? {}, null, 2) : undefined,
    form: Object.entries(form).map(([name, { format }]) => ({ name, file: format === 'binary' })),
    needsKey: operation.security.length > 0,
    answer: answered?.description ?? '',
  };
}

/** The routes whose method, path, protocol or summary holds every word that was typed. */
export function matching(routes: readonly Route[], typed: string): Route[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  return routes.filter((route) => {
    const text = `${route.id} ${route.tag} ${route.summary}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
