const DICTIONARY = {
  en: {
    chat: 'Chat', open: 'Open chat', close: 'Close chat', write: 'Write a message', send: 'Send', attach: 'Attach files',
    remove: 'Remove {0}', typing: '{0} is typing', support: 'Support', assistant: 'Assistant', you: 'You', sending: 'Sending',
    uploading: 'Uploading', sent: 'Sent', delivered: 'Delivered', read: 'Read', failed: 'Not sent', again: 'Try again',
    discard: 'Discard', connecting: 'Connecting…', offline: 'No connection. Messages are sent as soon as it is back.',
    unread: '{0} unread', arrived: 'New message from {0}', newer: 'New messages', large: '{0} is too large. At most {1} are allowed.',
    many: 'At most {0} files at once.', empty: '{0} is empty.', drop: 'Drop files to attach them', file: 'File', image: 'Image',
    place: 'Location', unknown: 'This message cannot be shown here.', refused: 'The chat is not available here.',
    identity: 'Please sign in to use the chat.', left: '{0} characters left', messages: 'Messages', reload: 'Reconnect',
  },
  de: {
    chat: 'Chat', open: 'Chat öffnen', close: 'Chat schließen', write: 'Nachricht schreiben', send: 'Senden', attach: 'Dateien anhängen',
    remove: '{0} entfernen', typing: '{0} schreibt', support: 'Support', assistant: 'Assistent', you: 'Sie', sending: 'Wird gesendet',
    uploading: 'Wird hochgeladen', sent: 'Gesendet', delivered: 'Zugestellt', read: 'Gelesen', failed: 'Nicht gesendet', again: 'Noch einmal',
    discard: 'Verwerfen', connecting: 'Verbinden…', offline: 'Keine Verbindung. Nachrichten werden gesendet, sobald sie wieder da ist.',
    unread: '{0} ungelesen', arrived: 'Neue Nachricht von {0}', newer: 'Neue Nachrichten', large: '{0} ist zu groß. Erlaubt sind höchstens {1}.',
    many: 'Höchstens {0} Dateien auf einmal.', empty: '{0} ist leer.', drop: 'Dateien zum Anhängen hier ablegen', file: 'Datei', image: 'Bild',
    place: 'Standort', unknown: 'Diese Nachricht kann hier nicht gezeigt werden.', refused: 'Der Chat ist hier nicht verfügbar.',
    identity: 'Bitte melden Sie sich an, um den Chat zu nutzen.', left: 'Noch {0} Zeichen', messages: 'Nachrichten', reload: 'Neu verbinden',
  },
  fr: {
    chat: 'Discussion', open: 'Ouvrir la discussion', close: 'Fermer la discussion', write: 'Écrire un message', send: 'Envoyer', attach: 'Joindre des fichiers',
    remove: 'Retirer {0}', typing: '{0} écrit', support: 'Assistance', assistant: 'Assistant', you: 'Vous', sending: 'Envoi en cours',
    uploading: 'Téléversement', sent: 'Envoyé', delivered: 'Remis', read: 'Lu', failed: 'Non envoyé', again: 'Réessayer',
    discard: 'Supprimer', connecting: 'Connexion…', offline: 'Pas de connexion. Les messages partiront dès son retour.',
    unread: '{0} non lus', arrived: 'Nouveau message de {0}', newer: 'Nouveaux messages', large: '{0} est trop volumineux. Maximum : {1}.',
    many: '{0} fichiers au maximum à la fois.', empty: '{0} est vide.', drop: 'Déposez des fichiers pour les joindre', file: 'Fichier', image: 'Image',
    place: 'Position', unknown: 'Ce message ne peut pas être affiché ici.', refused: 'La discussion n’est pas disponible ici.',
    identity: 'Veuillez vous connecter pour utiliser la discussion.', left: '{0} caractères restants', messages: 'Messages', reload: 'Se reconnecter',
  },
  es: {
    chat: 'Chat', open: 'Abrir el chat', close: 'Cerrar el chat', write: 'Escriba un mensaje', send: 'Enviar', attach: 'Adjuntar archivos',
    remove: 'Quitar {0}', typing: '{0} está escribiendo', support: 'Soporte', assistant: 'Asistente', you: 'Usted', sending: 'Enviando',
    uploading: 'Subiendo', sent: 'Enviado', delivered: 'Entregado', read: 'Leído', failed: 'No enviado', again: 'Reintentar',
    discard: 'Descartar', connecting: 'Conectando…', offline: 'Sin conexión. Los mensajes se enviarán en cuanto vuelva.',
    unread: '{0} sin leer', arrived: 'Nuevo mensaje de {0}', newer: 'Mensajes nuevos', large: '{0} es demasiado grande. Máximo: {1}.',
    many: 'Como máximo {0} archivos a la vez.', empty: '{0} está vacío.', drop: 'Suelte archivos para adjuntarlos', file: 'Archivo', image: 'Imagen',
    place: 'Ubicación', unknown: 'Este mensaje no se puede mostrar aquí.', refused: 'El chat no está disponible aquí.',
    identity: 'Inicie sesión para usar el chat.', left: 'Quedan {0} caracteres', messages: 'Mensajes', reload: 'Reconectar',
  },
  ar: {
    chat: 'الدردشة', open: 'فتح الدردشة', close: 'إغلاق الدردشة', write: 'اكتب رسالة', send: 'إرسال', attach: 'إرفاق ملفات',
    remove: 'إزالة {0}', typing: '{0} يكتب الآن', support: 'الدعم', assistant: 'المساعد', you: 'أنت', sending: 'جارٍ الإرسال',
    uploading: 'جارٍ الرفع', sent: 'أُرسلت', delivered: 'وصلت', read: 'قُرئت', failed: 'لم تُرسل', again: 'إعادة المحاولة',
    discard: 'حذف', connecting: 'جارٍ الاتصال…', offline: 'لا يوجد اتصال. ستُرسل الرسائل فور عودته.',
    unread: '{0} غير مقروءة', arrived: 'رسالة جديدة من {0}', newer: 'رسائل جديدة', large: '{0} كبير جدًا. الحد الأقصى {1}.',
    many: '{0} ملفات كحد أقصى في المرة الواحدة.', empty: '{0} فارغ.', drop: 'أفلت الملفات لإرفاقها', file: 'ملف', image: 'صورة',
    place: 'الموقع', unknown: 'لا يمكن عرض هذه الرسالة هنا.', refused: 'الدردشة غير متاحة هنا.',
    identity: 'يرجى تسجيل الدخول لاستخدام الدردشة.', left: 'بقي {0} حرفًا', messages: 'الرسائل', reload: 'إعادة الاتصال',
  },
};

const wanted = [script.dataset.lang, document.documentElement.lang, ...(navigator.languages ?? [])].filter(Boolean);
/** Only the first wish counts: a French site for a German visitor stays French, or English where we lack the words. */
const LANG = DICTIONARY[wanted[0]?.slice(0, 2).toLowerCase()] ? wanted[0] : 'en';
const WORDS = DICTIONARY[LANG.slice(0, 2).toLowerCase()];
const DIRECTION = LANG.slice(0, 2).toLowerCase() === 'ar' ? 'rtl' : 'ltr';
const say = (key, ...values) => WORDS[key].replace(/\{(\d)\}/g, (_, n) => values[n]);

/** `Intl` throws on a tag that is none, and the tag comes from the page. */
const LOCALE = (() => {
  try { return Intl.getCanonicalLocales(LANG)[0]; } catch { return 'en'; }
})();
const CLOCK = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const CALENDAR = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium' });
const NEAR_DAYS = new Intl.RelativeTimeFormat(LOCALE, { numeric: 'auto' });

function dayName(date) {
  const midnight = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate());
  const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
  return days === 0 || days === -1 ? NEAR_DAYS.format(days, 'day') : CALENDAR.format(date);
}

function sizeName(bytes) {
  const [unit, step] = bytes >= 1e6 ? ['megabyte', 1e6] : bytes >= 1e3 ? ['kilobyte', 1e3] : ['byte', 1];
  return new Intl.NumberFormat(LOCALE, { style: 'unit', unit, maximumFractionDigits: 1 }).format(bytes / step);
}
